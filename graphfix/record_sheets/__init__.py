"""Contact sheets of records: their pictures with boxes, classes, masks, and what is wrong."""
