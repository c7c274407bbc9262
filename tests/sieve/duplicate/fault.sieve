require ["duplicate", "ihave"];
if duplicate { keep; }
error "a fault";
