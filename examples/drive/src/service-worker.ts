/** What the worker has of its scope, as far as it is used here. */
