"""The development stack of `./run up`: broker, inbox and the processes of notifier."""
