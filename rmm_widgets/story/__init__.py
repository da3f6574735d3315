"""The story of a model in plain sentences, from its events and its state. Pure; showing it is the faces' matter."""
