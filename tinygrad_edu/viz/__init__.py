"""Pictures: computation graphs (`graph.py`), laid out and painted (`render.py`), and plots of training (`plots.py`).

Nothing is imported here, so that a graph can be drawn without loading Matplotlib's plots, and the other way round.
"""
