from hypothesis import settings

# the same examples at every run, and no clock: these tests also run on busy machines
settings.register_profile("inkwash", deadline=None, max_examples=40, derandomize=True, database=None)
settings.load_profile("inkwash")
