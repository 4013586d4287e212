"""The console's agent: sees and changes the nodes of one cluster, for the console's web process."""
