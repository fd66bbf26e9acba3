from hypothesis import settings
settings.register_profile("wild", deadline=None, max_examples=3000, database=None)
settings.load_profile("wild")
