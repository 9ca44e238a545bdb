"""LocalStack's Lambda without Docker: an execution environment is a child process.

LocalStack keeps the control plane: functions, versions, concurrency, environment variables, credentials, log groups.
This package is what stands in for its Docker executor, and for the init process inside the container.
"""
