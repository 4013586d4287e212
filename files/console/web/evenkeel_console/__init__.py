"""The console's web process: pages and a JSON API in front of the agent, without access to Docker."""
