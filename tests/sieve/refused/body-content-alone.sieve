require "body";
if body :content { keep; }
