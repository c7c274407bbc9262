if header "subject" [] { keep; }
