"""The examples of embedding, used as their readers would."""

import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
EXAMPLES = SCRIPTS / "examples"
sys.path += [str(SCRIPTS), str(EXAMPLES)]
