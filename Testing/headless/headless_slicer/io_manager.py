"""Reading and writing files as Slicer's input-output manager does, with Slicer's own readers and writers."""

from __future__ import annotations

from pathlib import Path

import slicer
import slicer.util
from PySide6 import QtCore

_TYPES = {
    (".mrml", ".mrb"): "SceneFile",
    (".mrk.json", ".fcsv"): "MarkupsFile",
    (".vtp", ".vtk", ".stl", ".obj", ".ply"): "ModelFile",
    (".csv", ".tsv"): "TableFile",
    (".txt", ".json"): "TextFile",
}


class qSlicerCoreIOManager(QtCore.QObject):
    """Loads volumes, models, markups, tables, texts and scenes; saves nodes and scenes."""

    def __init__(self, application_logic, scene, temporary_folder: Path):
        super().__init__()
        self._logic, self._scene, self._folder = application_logic, scene, temporary_folder

    def fileType(self, file_name):
        name = str(file_name).lower()
        return next((kind for ends, kind in _TYPES.items() if name.endswith(ends)), "VolumeFile")

    def fileWriterFileType(self, node, file_name=""):
        return "SceneFile" if isinstance(node, slicer.vtkMRMLScene) else node.GetClassName()

    def loadNodes(self, file_type, properties, collection=None, messages=None):
        path = properties["fileName"]
        if not isinstance(path, str):
            raise ValueError(f"fileName has to be a text, not {path!r}")
        if file_type == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", False)), messages)
        node = {
            "VolumeFile": self._load_volume,
            "ModelFile": self._load_model,
            "MarkupsFile": self._load_markups,
            "TableFile": self._load_stored("vtkMRMLTableNode"),
            "TextFile": self._load_stored("vtkMRMLTextNode"),
        }[file_type](path, properties)
        if node is None:
            return False
        if collection is not None:
            collection.AddItem(node)
        return True

    def _load_scene(self, path: str, clear: bool, messages) -> bool:
        if path.endswith(".mrb"):
            return bool(self._scene.ReadFromMRB(path, clear, messages))
        self._scene.SetURL(path)
        return bool(self._scene.Connect() if clear else self._scene.Import())

    def _load_volume(self, path: str, properties):
        options = 0
        for name, bit in (("labelmap", 1), ("center", 2), ("singleFile", 4), ("autoWindowLevel", 8)):
            chosen = properties.get(name, name == "autoWindowLevel")
            options |= bit if chosen else 0
        name = properties.get("name") or Path(path).name.split(".")[0]
        logic = self._logic.GetModuleLogic("Volumes")
        node = logic.AddArchetypeVolume(path, name, options) if Path(path).is_file() else None
        if node is not None and properties.get("show", True):
            self._logic.GetSelectionNode().SetActiveVolumeID(node.GetID())
            self._logic.PropagateVolumeSelection()
        return node

    def _load_model(self, path: str, properties):
        return self._logic.GetModuleLogic("Models").AddModel(path)

    def _load_markups(self, path: str, properties):
        node_id = self._logic.GetModuleLogic("Markups").LoadMarkups(path, Path(path).name.split(".")[0])
        return self._scene.GetNodeByID(node_id) if node_id else None

    def _load_stored(self, class_name: str):
        def load(path: str, properties):
            node = self._scene.AddNewNodeByClass(class_name, Path(path).stem)
            storage = node.CreateDefaultStorageNode()
            storage.SetFileName(path)
            self._scene.AddNode(storage)
            node.SetAndObserveStorageNodeID(storage.GetID())
            if storage.ReadData(node):
                return node
            self._scene.RemoveNode(node)
            return None

        return load

    def saveNodes(self, file_type, properties, messages=None):
        path = properties["fileName"]
        if not isinstance(path, str):
            raise ValueError(f"fileName has to be a text, not {path!r}")
        if file_type != "SceneFile":
            return self._save_node(self._scene.GetNodeByID(properties["nodeID"]), path)
        if path.endswith(".mrb"):
            return bool(self._scene.WriteToMRB(path, None, messages))
        if path.endswith(".mrml"):
            self._scene.SetURL(path)
            return bool(self._scene.Commit(path))
        Path(path).mkdir(parents=True, exist_ok=True)
        return bool(self._scene.SaveSceneToSlicerDataBundleDirectory(path, None, messages))

    def _save_node(self, node, path: str) -> bool:
        storage = node.GetStorageNode() or node.CreateDefaultStorageNode()
        if storage.GetScene() is None:
            self._scene.AddNode(storage)
            node.SetAndObserveStorageNodeID(storage.GetID())
        storage.SetFileName(path)
        return bool(storage.WriteData(node))
