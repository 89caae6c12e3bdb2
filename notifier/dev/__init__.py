"""What `./run up` starts on a developer's machine: broker, inbox and the processes of notifier."""
