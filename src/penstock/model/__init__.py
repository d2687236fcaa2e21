"""The words of the domain: objects and fields, pipelines, instances, attempts, statuses, errors."""
