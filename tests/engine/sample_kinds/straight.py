KIND = {"title": "Straight", "label": "straight", "properties": {}}
