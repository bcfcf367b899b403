"""Images and actions of people, by kind: each case runs real commands and compares with a value known otherwise.

`python tests/cases.py` runs them all and prints a table. A file is one kind; a function is one case, and the first
sentence of its docstring is what a user expects.
"""
