"""Pictures: computation graphs (`graph.py`), plots (`plots.py`), animations (`animations.py`), a page (`explorer`).

This file imports nothing, so that drawing a graph does not load Matplotlib's plots, nor a plot Graphviz.
"""
