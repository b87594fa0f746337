"""Pictures: computation graphs (`graph.py`), plots (`plots.py`), animations (`animations.py`), a page (`explorer`).

Nothing is imported here, so that a graph can be drawn without loading Matplotlib's plots, and the other way round.
"""
