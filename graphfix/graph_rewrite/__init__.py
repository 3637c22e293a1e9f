"""Surgery on frozen graphs, as data: `axes` finds where the classes are, `branches` takes the
per-class branches of non-maximum suppression apart, `rewrite` makes the graph of the new classes.
"""
