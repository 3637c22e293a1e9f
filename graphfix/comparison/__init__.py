"""Two models, or a model and a record of it, held against each other: part by part, class by
class."""
