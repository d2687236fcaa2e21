"""Virtual time: whole worlds of pipelines and runners that live through days in milliseconds."""
