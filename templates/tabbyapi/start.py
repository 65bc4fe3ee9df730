"""Starts TabbyAPI with keys from the environment, where nothing but a scratch folder can be written.

    python3 start.py MAIN.PY ARGUMENT...

TabbyAPI reads its keys from api_tokens.yml in the working folder, and makes new ones if there is no such file.
"""

import json
import os
import secrets
import sys
from pathlib import Path
from tempfile import mkdtemp

main, arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
keys = {
    "api_key": os.environ.pop("TABBYAPI_API_KEY"),
    # Without a key that somebody knows, nobody can load or unload models.
    "admin_key": os.environ.pop("TABBYAPI_ADMIN_KEY", "") or secrets.token_hex(32),
}

work = Path(mkdtemp(prefix="tabbyapi-"))
with open(os.open(work / "api_tokens.yml", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
    json.dump(keys, file)
# What else it looks for in the working folder.
for name in ("templates", "sampler_overrides"):
    (work / name).symlink_to(main.parent / name)

os.chdir(work)
os.execv(sys.executable, [sys.executable, str(main), *arguments])
