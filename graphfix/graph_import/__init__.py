"""Infers a pipeline.config from a frozen graph, where nobody has the config any more.

`evidence` looks at the graph, `extractor`, `predictors`, `anchors`, `suppression` and `images`
each read one part of the model from it, `stages` and `single` put a Faster R-CNN and an SSD
together, and `config` writes the whole with what only training knows, which is assumed.  What is
not recognised is refused by name: a config that is half right would train, and to nothing.
"""
