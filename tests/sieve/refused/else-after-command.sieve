if true { keep; }
stop;
else { discard; }
