"""What runs elsewhere: exports in the formats of other runtimes, and how they are run."""
