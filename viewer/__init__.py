"""The window: volumes, slices, frames and holds as they come, in napari."""
