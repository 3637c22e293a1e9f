"""Decides what becomes of every tensor (`request`, `plan`) and carries it out (`kernels`,
`apply`)."""
