"""Results of long studies in a file, a line of JSON for each, so that what was done is not done again."""

import json


def kept(file):
    """The results that a file has; none if there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep(file, result):
    """Add a result."""
    with file.open("a") as stream:
        stream.write(json.dumps(result) + "\n")
