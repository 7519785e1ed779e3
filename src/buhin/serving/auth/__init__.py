"""Who calls, what they may do and how much: tokens, certificates, the policy."""
