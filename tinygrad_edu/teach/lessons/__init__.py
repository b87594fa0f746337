"""The exercises of the lessons, a file for each: the solutions, whose text is shown, and what answers are graded by.

`import tinygrad_edu as tg` is how a reader of the lessons writes it. A Greek letter is the one in the lesson's formula.
"""
