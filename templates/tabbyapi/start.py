"""Starts TabbyAPI in a scratch folder, which is all that it may write to, with keys from the environment.

    python3 start.py MAIN.PY ARGUMENT...

TabbyAPI reads api_tokens.yml in its working folder, and makes new keys if there is none; a config.yml that lies there
would be read beside the one that it is given.
"""

import json
import os
import secrets
import sys
from pathlib import Path
from tempfile import mkdtemp

main, arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
api_key, admin_key = (os.environ.pop(f"TABBYAPI_{name}_KEY", "") for name in ("API", "ADMIN"))

work = Path(mkdtemp(prefix="tabbyapi-"))
if api_key:
    # Without an admin key that somebody knows, nobody can load or unload models.
    keys = {"api_key": api_key, "admin_key": admin_key or secrets.token_hex(32)}
    with open(os.open(work / "api_tokens.yml", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(keys, file)
# What else it looks for in the working folder.
for name in ("templates", "sampler_overrides"):
    (work / name).symlink_to(main.parent / name)

os.chdir(work)
os.execv(sys.executable, [sys.executable, str(main), *arguments])
