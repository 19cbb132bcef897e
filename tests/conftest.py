from hypothesis import settings

# A busy machine is no failure; the rest stays as Hypothesis chose it (reproducible where CI is set).
settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")
