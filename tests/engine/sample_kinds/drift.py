KIND = {
    "title": "With drift",
    "label": "drift {drift.speed:g}",
    "properties": {"drift.speed": {"type": "number", "default": 1.0, "exclusiveMinimum": 0}},
}
