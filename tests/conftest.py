"""Two Hypothesis profiles: quick for a developer, thorough where CI=true."""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("thorough" if os.environ.get("CI") == "true" else "quick")
