"""TensorFlow's checkpoint format V2 ("tensor bundle"), read and written without TensorFlow.

A checkpoint PREFIX is `PREFIX.index`, a sorted string table of tensor metadata, and its shards
`PREFIX.data-KKKKK-of-NNNNN`, the tensors' bytes.  `reader` and `writer` are siblings over
`table` (the string table), `entries` (what the table's values mean) and `checksum`.  The format
is defined by TensorFlow 1.15's core/util/tensor_bundle and core/lib/io/table*.
"""
