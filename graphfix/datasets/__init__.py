"""Annotated boxes as files hold them: TFRecords, COCO JSON, Pascal VOC XML, CSV.

No image is decoded, and nothing here knows what a detector is.
"""
