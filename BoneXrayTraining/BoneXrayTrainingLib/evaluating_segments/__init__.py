"""How well a model names bones, on CTs with labels, meshes or masked radiographs."""
