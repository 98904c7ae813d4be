// nodemailer.js SUBJECT
const fs = require('fs');
const nodemailer = require('nodemailer');

const message = {
    from: 'shop@sends.example',
    to: 'you@far.example',
    cc: 'ben@here.example',
    bcc: 'hidden@far.example',
    subject: process.argv[2],
    text: fs.readFileSync(0, 'utf-8'),
};
nodemailer.createTransport({sendmail: true}).sendMail(message, error => {
    if (error) {
        console.error(error);
        process.exitCode = 1;
    }
});
