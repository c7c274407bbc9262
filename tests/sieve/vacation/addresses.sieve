require "vacation";
vacation :addresses ["robert@example.net", "bobby@example.com"] "Away.";
