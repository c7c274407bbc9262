if header "subject" ["a", 1] { keep; }
