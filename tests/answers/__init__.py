"""Real answers of servers, with what they mean; and the sentences that operators read about them."""
