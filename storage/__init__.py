"""A run on disk: its folder, metrics, checkpoints and snapshots; a model of somebody else that it may begin with."""
