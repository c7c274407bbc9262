require "redirect-deliverby";
redirect :bytimerelative 600 :bymode "return" :bytrace "a@example.org";
redirect :bytimeabsolute "2040-01-01T00:00:00Z" :bymode "notify" "b@example.org";
