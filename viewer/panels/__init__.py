"""The docks around the 3D canvas: Qt and pyqtgraph only, each showing one part of the scene."""
