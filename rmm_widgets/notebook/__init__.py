"""The notebook face: magics, widgets, their publisher, static fallbacks and the side panel's bridge."""
