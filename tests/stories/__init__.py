"""Random stories of deployments whose pods, servers and recipients fail and change, and what must hold at their end."""
