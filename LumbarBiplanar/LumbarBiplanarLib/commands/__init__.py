"""The subcommands of ``lumbar-biplanar``, one file each."""
