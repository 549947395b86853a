"""What Slicer asks of any module, for a Slicer that was not built here: its own test is made at configure time.

Run by .github/workflows/self-test.sh inside Slicer; not collected by pytest.
"""

import unittest

import slicer


class GenericModuleTest(unittest.TestCase):
    def setUp(self):
        self.module = slicer.modules.lumbarbiplanar

    def test_the_module_says_who_and_what_it_is(self):
        self.assertEqual(self.module.name, "LumbarBiplanar")
        for text in (self.module.categories, self.module.contributors, self.module.acknowledgementText):
            self.assertTrue(text)

    def test_the_panel_is_made_once(self):
        self.assertEqual(self.module.widgetRepresentation(), self.module.widgetRepresentation())
        self.assertIsNotNone(self.module.widgetRepresentation().self().panel)

    def test_the_scene_can_be_exchanged(self):
        self.module.widgetRepresentation()
        scene = slicer.vtkMRMLScene()
        self.module.setMRMLScene(scene)
        self.assertEqual(self.module.mrmlScene(), scene)
        self.module.setMRMLScene(slicer.mrmlScene)
        self.assertEqual(self.module.mrmlScene(), slicer.mrmlScene)

    def test_the_module_can_be_opened(self):
        if slicer.app.commandOptions().noMainWindow:
            self.skipTest("no main window")
        slicer.util.mainWindow().moduleSelector().selectModule(self.module.name)
        self.assertTrue(self.module.widgetRepresentation().self().panel.entered)
