"""TensorFlow graphs as data: read, looked at, changed and written without TensorFlow.

`files` opens frozen graphs and SavedModels, `constants` turns constants into arrays and back, and
`graph` is the graph itself: nodes by name, who consumes what, order, pruning.  A graph from the
internet is only ever looked at here; nothing of it is run.  `operations` compares each node with
what its operation takes, `effects` says what it would do if it were run.  `wire` gives a message
the same bytes, whoever serialized it.
"""
