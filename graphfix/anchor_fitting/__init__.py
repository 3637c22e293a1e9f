"""Anchors and a data set: how well they cover its boxes, and which settings do best."""
