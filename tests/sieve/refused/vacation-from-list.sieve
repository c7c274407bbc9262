require "vacation";
vacation :from ["a@example.org", "b@example.org"] "Away.";
